# libisthmus: the Kubernetes client, and sets of objects kept with it
sdk_lib_libisthmus_la_SOURCES += %D%/internal.h %D%/file.c %D%/kubeconfig.c %D%/exec.c %D%/eks.c %D%/client.c %D%/discovery.c \
	%D%/list.c %D%/apply.c %D%/drain.c %D%/rollout.c %D%/set.c %D%/diff.c %D%/clusters.c %D%/namespaces.c \
	%D%/manifest.c %D%/manifest_compare.c %D%/manifest_hands.c %D%/manifest_check.c %D%/check.c

# The reconciler: see reconciler.h
sdk_lib_libisthmus_la_SOURCES += %D%/page.h %D%/page.c %D%/slim.c %D%/digest.c %D%/proto.h %D%/proto.c %D%/proto_tables.c %D%/proto_list.c \
	%D%/reconciler.h %D%/reconciler_run.c \
	%D%/reconciler_cluster.c %D%/reconciler_feed.c %D%/reconciler_list.c %D%/reconciler_aside.c %D%/reconciler_object.c %D%/reconciler_see.c \
	%D%/reconciler_wanted.c %D%/reconciler_decide.c %D%/reconciler_write.c %D%/reconciler_force.c %D%/reconciler_request.c \
	%D%/reconciler_lease.c %D%/reconciler_status.c %D%/reconciler_configure.c %D%/reconciler_once.c %D%/reconciler_made.c \
	%D%/reconciler_holder.c %D%/reconciler_seize.c %D%/reconciler_destroy.c
