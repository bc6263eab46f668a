# libisthmus: the Kubernetes client, and sets of objects kept with it
sdk_lib_libisthmus_la_SOURCES += %D%/internal.h %D%/file.c %D%/kubeconfig.c %D%/exec.c %D%/client.c %D%/discovery.c \
	%D%/list.c %D%/apply.c %D%/rollout.c %D%/watch.c %D%/set.c %D%/diff.c %D%/clusters.c %D%/namespaces.c %D%/keeper.c \
	%D%/manifest.c %D%/manifest_compare.c
