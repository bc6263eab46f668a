# Real API servers: KUBEBUILDER_ASSETS holds them, ISTHMUS_K8S_START starts one.
check_PROGRAMS += tests/real/kubernetes/kube-tool
tests_real_kubernetes_kube_tool_SOURCES = %D%/kube-tool.c
tests_real_kubernetes_kube_tool_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_real_kubernetes_kube_tool_LDADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)

check_PROGRAMS += tests/real/kubernetes/plugin-tool
tests_real_kubernetes_plugin_tool_SOURCES = %D%/plugin-tool.c
tests_real_kubernetes_plugin_tool_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_real_kubernetes_plugin_tool_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_real_kubernetes_plugin_tool_LDADD = tests/unit/libfakehost.la $(JANSSON_LIBS)

check_PROGRAMS += tests/real/kubernetes/proto-tool
tests_real_kubernetes_proto_tool_SOURCES = %D%/proto-tool.c sdk/lib/kube/file.c $(KUBE_PROTO)
tests_real_kubernetes_proto_tool_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lib
tests_real_kubernetes_proto_tool_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_real_kubernetes_proto_tool_LDADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)

# The longest first, so that none of them is left alone at the end.
REAL_TESTS += %D%/mirror.sh %D%/road.sh %D%/rbac.sh %D%/churn.sh %D%/kills.sh %D%/faults.sh %D%/credentials.sh %D%/changes.sh %D%/stars.sh
REAL_TESTS += %D%/netpol.sh %D%/netpol-rbac.sh %D%/apply.sh %D%/mirror-rbac.sh %D%/mirror-names.sh %D%/netpol-limits.sh
REAL_TESTS += %D%/client.sh %D%/policy.sh %D%/lab.sh %D%/probe.sh %D%/federation.sh
EXTRA_DIST += %D%/lib.sh %D%/daemon.sh %D%/bad-road.py %D%/sts.py
