plugin_LTLIBRARIES += plugins/csr-dmvpn/csr-dmvpn.la
plugins_csr_dmvpn_csr_dmvpn_la_SOURCES = %D%/plugin.c %D%/inputs.c %D%/desired.c %D%/launch.c %D%/device.c %D%/change.c %D%/facts.c \
	%D%/secrets.c %D%/operations.c %D%/verify.c %D%/csr.h
plugins_csr_dmvpn_csr_dmvpn_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_csr_dmvpn_csr_dmvpn_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_csr_dmvpn_csr_dmvpn_la_LDFLAGS = $(module_LDFLAGS)
