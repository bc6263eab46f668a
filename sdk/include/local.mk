# What is installed for vendors: every header, by name (tests/integration/headers.sh finds one that is left out).
isthmusincludedir = $(includedir)/isthmus
isthmusrolesdir = $(includedir)/isthmus/roles
isthmusinclude_HEADERS = \
	%D%/isthmus/alloc.h \
	%D%/isthmus/aws.h \
	%D%/isthmus/crypto.h \
	%D%/isthmus/check.h \
	%D%/isthmus/dmvpn.h \
	%D%/isthmus/dmvpn_machine.h \
	%D%/isthmus/dmvpn_vm.h \
	%D%/isthmus/env.h \
	%D%/isthmus/error.h \
	%D%/isthmus/file.h \
	%D%/isthmus/http.h \
	%D%/isthmus/ios.h \
	%D%/isthmus/ios_config.h \
	%D%/isthmus/ios_show.h \
	%D%/isthmus/json.h \
	%D%/isthmus/kube.h \
	%D%/isthmus/kube_check.h \
	%D%/isthmus/kube_clusters.h \
	%D%/isthmus/kube_namespaces.h \
	%D%/isthmus/kube_reconciler.h \
	%D%/isthmus/kube_manifest.h \
	%D%/isthmus/kube_set.h \
	%D%/isthmus/plugin.h \
	%D%/isthmus/retry.h \
	%D%/isthmus/router_vm.h \
	%D%/isthmus/schema.h \
	%D%/isthmus/ssh.h \
	%D%/isthmus/stack.h \
	%D%/isthmus/yaml.h
isthmusroles_HEADERS = %D%/isthmus/roles/dmvpn-endpoint.h
