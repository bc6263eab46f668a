sdk_lab_isthmus_lab_SOURCES += %D%/cluster.h %D%/ctl.c %D%/ctl.h %D%/ctl_daemons.c %D%/ctl_endpoints.c \
	%D%/ctl_garbage.c %D%/ctl_kubelet.c %D%/ctl_load_balancers.c %D%/ctl_mirroring.c %D%/ctl_namespaces.c \
	%D%/ctl_workloads.c %D%/convert.c %D%/defaults.c %D%/discovery.c %D%/fieldset.c %D%/dispatch.c %D%/kube.c %D%/kube.h \
	%D%/list.c %D%/object.c %D%/patch.c %D%/patch.h %D%/probe.c %D%/probe.h %D%/protobuf.c %D%/protobuf.h %D%/proxy.c %D%/remove.c %D%/request.c \
	%D%/resources.c %D%/rest.h %D%/schema.c %D%/schema.h %D%/selector.c %D%/selector.h %D%/server.h \
	%D%/snapshot.c %D%/snapshot.h %D%/stars.c %D%/stars.h %D%/ssa.c %D%/ssa.h %D%/status.c %D%/store.c %D%/switch.c %D%/strict.c %D%/strict.h %D%/system.c %D%/table.c \
	%D%/table.h %D%/validate.c %D%/watch.c %D%/write.c %D%/yaml.c %D%/yaml.h
