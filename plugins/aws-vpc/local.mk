plugin_LTLIBRARIES += plugins/aws-vpc/aws-vpc.la
plugins_aws_vpc_aws_vpc_la_SOURCES = %D%/plugin.c %D%/operations.c %D%/check.c %D%/find.c %D%/network.c %D%/stack.c \
	%D%/drift.c %D%/drift.h 	%D%/template.c %D%/operations.h %D%/stack.h %D%/vpc.h
plugins_aws_vpc_aws_vpc_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_aws_vpc_aws_vpc_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_aws_vpc_aws_vpc_la_LDFLAGS = $(module_LDFLAGS)
