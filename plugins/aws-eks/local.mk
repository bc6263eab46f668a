plugin_LTLIBRARIES += plugins/aws-eks/aws-eks.la
plugins_aws_eks_aws_eks_la_SOURCES = %D%/plugin.c %D%/operations.c %D%/cluster.c %D%/snat.c %D%/addon.c \
	%D%/check.c %D%/drain.c %D%/netpolicy.c %D%/kinds.c %D%/made.c %D%/manifests.c %D%/objects.c %D%/update.c %D%/versions.c %D%/wanted.c %D%/eks.h \
	%D%/made.h %D%/operations.h
plugins_aws_eks_aws_eks_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_aws_eks_aws_eks_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_aws_eks_aws_eks_la_LDFLAGS = $(module_LDFLAGS)
