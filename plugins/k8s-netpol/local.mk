plugin_LTLIBRARIES += plugins/k8s-netpol/k8s-netpol.la
plugins_k8s_netpol_k8s_netpol_la_SOURCES = %D%/netpol.c %D%/cni.c %D%/cni.h %D%/snat.c %D%/snat.h %D%/snat_read.c \
	%D%/peers.c %D%/peers.h %D%/policy.c %D%/policy.h
plugins_k8s_netpol_k8s_netpol_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_k8s_netpol_k8s_netpol_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_k8s_netpol_k8s_netpol_la_LDFLAGS = $(module_LDFLAGS)
