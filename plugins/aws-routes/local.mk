plugin_LTLIBRARIES += plugins/aws-routes/aws-routes.la
plugins_aws_routes_aws_routes_la_SOURCES = %D%/plugin.c %D%/operations.c %D%/route.c %D%/ingress.c %D%/check.c %D%/quota.c %D%/inputs.c \
	%D%/resources.c %D%/seen.c %D%/lists.c %D%/operations.h %D%/routes.h
plugins_aws_routes_aws_routes_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_aws_routes_aws_routes_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_aws_routes_aws_routes_la_LDFLAGS = $(module_LDFLAGS)
