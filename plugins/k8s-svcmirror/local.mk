plugin_LTLIBRARIES += plugins/k8s-svcmirror/k8s-svcmirror.la
plugins_k8s_svcmirror_k8s_svcmirror_la_SOURCES = %D%/svcmirror.c %D%/select.c %D%/mirror.c %D%/mirror.h
plugins_k8s_svcmirror_k8s_svcmirror_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_k8s_svcmirror_k8s_svcmirror_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_k8s_svcmirror_k8s_svcmirror_la_LDFLAGS = $(module_LDFLAGS)
