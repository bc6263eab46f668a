plugin_LTLIBRARIES += plugins/frr-dmvpn/frr-dmvpn.la
plugins_frr_dmvpn_frr_dmvpn_la_SOURCES = %D%/plugin.c %D%/facts.c %D%/routing.c %D%/ipsec.c %D%/system.c %D%/scripts.c \
	%D%/host.c %D%/launch.c %D%/look.c %D%/compare.c %D%/change.c %D%/operations.c %D%/verify.c %D%/vici.c %D%/frr.h
plugins_frr_dmvpn_frr_dmvpn_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_frr_dmvpn_frr_dmvpn_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_frr_dmvpn_frr_dmvpn_la_LDFLAGS = $(module_LDFLAGS)
EXTRA_DIST += %D%/host/change.sh %D%/host/look.sh %D%/host/embed.sh
