plugin_LTLIBRARIES += plugins/k8s-apply/k8s-apply.la
plugins_k8s_apply_k8s_apply_la_SOURCES = %D%/apply.c %D%/check.c %D%/check.h %D%/id.c %D%/manifest.c %D%/compare.c %D%/write.c %D%/remove.c \
	%D%/apply.h
plugins_k8s_apply_k8s_apply_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_k8s_apply_k8s_apply_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_k8s_apply_k8s_apply_la_LDFLAGS = $(module_LDFLAGS)
