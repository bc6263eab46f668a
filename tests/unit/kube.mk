# The Kubernetes client, from the inside where its parts are nobody else's business.
check_PROGRAMS += tests/unit/test-kubeconfig
UNIT_TESTS += tests/unit/test-kubeconfig
tests_unit_test_kubeconfig_SOURCES = %D%/test-kubeconfig.c %D%/eks-token.c %D%/eks-token.h sdk/lib/kube/kubeconfig.c sdk/lib/kube/exec.c \
	sdk/lib/kube/file.c sdk/lib/plugin/helper.c
tests_unit_test_kubeconfig_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lib
tests_unit_test_kubeconfig_CFLAGS = $(UNIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_kubeconfig_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-kube
UNIT_TESTS += tests/unit/test-kube
tests_unit_test_kube_SOURCES = %D%/test-kube.c %D%/kube-fake.c %D%/kube-fake.h %D%/fake-call.c %D%/fake-call.h \
	%D%/httpd.c %D%/httpd.h
tests_unit_test_kube_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_kube_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-k8s-apply
UNIT_TESTS += tests/unit/test-k8s-apply
tests_unit_test_k8s_apply_SOURCES = %D%/test-k8s-apply.c plugins/k8s-apply/id.c plugins/k8s-apply/manifest.c \
	plugins/k8s-apply/compare.c
tests_unit_test_k8s_apply_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-apply
tests_unit_test_k8s_apply_CFLAGS = $(UNIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_k8s_apply_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-k8s-probe
UNIT_TESTS += tests/unit/test-k8s-probe
tests_unit_test_k8s_probe_SOURCES = %D%/test-k8s-probe.c plugins/k8s-probe/judge.c plugins/k8s-probe/picture.c \
	plugins/k8s-probe/snat.c plugins/k8s-probe/pods.c plugins/k8s-probe/probe.c plugins/k8s-probe/check.c
tests_unit_test_k8s_probe_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-probe
tests_unit_test_k8s_probe_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_k8s_probe_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-kube-namespaces
UNIT_TESTS += tests/unit/test-kube-namespaces
tests_unit_test_kube_namespaces_SOURCES = tests/unit/test-kube-namespaces.c
tests_unit_test_kube_namespaces_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_kube_namespaces_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-netpol-sets
UNIT_TESTS += tests/unit/test-netpol-sets
tests_unit_test_netpol_sets_SOURCES = %D%/test-netpol-sets.c sdk/lab/net/policy.c $(LAB_PURE)
tests_unit_test_netpol_sets_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol -I$(top_srcdir)/sdk/lab
tests_unit_test_netpol_sets_CFLAGS = $(UNIT_CFLAGS) $(YAML_CFLAGS)
tests_unit_test_netpol_sets_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS) $(YAML_LIBS)

check_LTLIBRARIES += tests/unit/libsvcmirror.la
tests_unit_libsvcmirror_la_SOURCES = $(SVCMIRROR_MODEL) tests/unit/svcmirror-fixture.c tests/unit/svcmirror-fixture.h \
	tests/unit/fake-reconciler.c tests/unit/fake-reconciler.h \
	tests/unit/fake-wanted.c tests/unit/fake-wanted.h
tests_unit_libsvcmirror_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins
tests_unit_libsvcmirror_la_CFLAGS = $(UNIT_CFLAGS)
tests_unit_libsvcmirror_la_LIBADD = sdk/lib/libisthmus.la $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-svcmirror-model tests/unit/test-svcmirror-endpoints
UNIT_TESTS += tests/unit/test-svcmirror-model tests/unit/test-svcmirror-endpoints
tests_unit_test_svcmirror_model_SOURCES = tests/unit/test-svcmirror-model.c
tests_unit_test_svcmirror_model_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins
tests_unit_test_svcmirror_model_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_svcmirror_model_LDADD = tests/unit/libsvcmirror.la sdk/lib/libisthmus.la $(UNIT_LIBS)
tests_unit_test_svcmirror_endpoints_SOURCES = tests/unit/test-svcmirror-endpoints.c
tests_unit_test_svcmirror_endpoints_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins
tests_unit_test_svcmirror_endpoints_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_svcmirror_endpoints_LDADD = tests/unit/libsvcmirror.la sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-kube-slim
UNIT_TESTS += tests/unit/test-kube-slim
tests_unit_test_kube_slim_SOURCES = %D%/test-kube-slim.c sdk/lib/kube/slim.c sdk/lib/kube/digest.c
tests_unit_test_kube_slim_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lib
tests_unit_test_kube_slim_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_kube_slim_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-kube-proto
UNIT_TESTS += tests/unit/test-kube-proto
KUBE_PROTO = sdk/lib/kube/proto.c sdk/lib/kube/proto_tables.c sdk/lib/kube/proto_list.c sdk/lib/kube/slim.c \
	sdk/lib/kube/digest.c
tests_unit_test_kube_proto_SOURCES = %D%/test-kube-proto.c $(KUBE_PROTO)
tests_unit_test_kube_proto_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lib
tests_unit_test_kube_proto_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_kube_proto_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-netpol-map
UNIT_TESTS += tests/unit/test-netpol-map
tests_unit_test_netpol_map_SOURCES = %D%/test-netpol-map.c
tests_unit_test_netpol_map_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol
tests_unit_test_netpol_map_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_map_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)
