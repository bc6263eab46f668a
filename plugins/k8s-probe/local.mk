plugin_LTLIBRARIES += plugins/k8s-probe/k8s-probe.la
plugins_k8s_probe_k8s_probe_la_SOURCES = %D%/probe.c %D%/check.c %D%/check.h %D%/pods.c %D%/judge.c %D%/snat.c %D%/picture.c %D%/probe.h
plugins_k8s_probe_k8s_probe_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_k8s_probe_k8s_probe_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_k8s_probe_k8s_probe_la_LDFLAGS = $(module_LDFLAGS)
