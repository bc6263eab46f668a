plugin_LTLIBRARIES += plugins/ccp/ccp.la
plugins_ccp_ccp_la_SOURCES = %D%/plugin.c %D%/operations.c %D%/plan.c %D%/apply.c %D%/step.c %D%/desired.c \
	%D%/clusters.c %D%/api.c %D%/on_prem.c %D%/check.c %D%/ccp.h %D%/desired.h %D%/operations.h %D%/step.h
plugins_ccp_ccp_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_ccp_ccp_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_ccp_ccp_la_LDFLAGS = $(module_LDFLAGS)
