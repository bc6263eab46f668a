SVCMIRROR_MODEL = plugins/k8s-svcmirror/model.c plugins/k8s-svcmirror/model.h plugins/k8s-svcmirror/records.c \
	plugins/k8s-svcmirror/records.h plugins/k8s-svcmirror/selection.c plugins/k8s-svcmirror/selection.h \
	plugins/k8s-svcmirror/read.c plugins/k8s-svcmirror/read.h plugins/k8s-svcmirror/see.c \
	plugins/k8s-svcmirror/ports.c plugins/k8s-svcmirror/service.c plugins/k8s-svcmirror/slices.c \
	plugins/k8s-svcmirror/told.c plugins/k8s-svcmirror/want.c
plugin_LTLIBRARIES += plugins/k8s-svcmirror/k8s-svcmirror.la
plugins_k8s_svcmirror_k8s_svcmirror_la_SOURCES = %D%/svcmirror.c %D%/check.c %D%/check.h $(SVCMIRROR_MODEL)
plugins_k8s_svcmirror_k8s_svcmirror_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_k8s_svcmirror_k8s_svcmirror_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_k8s_svcmirror_k8s_svcmirror_la_LDFLAGS = $(module_LDFLAGS)
