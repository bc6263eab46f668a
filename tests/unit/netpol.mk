# k8s-netpol, a subject a program.
check_PROGRAMS += tests/unit/test-netpol-snat
UNIT_TESTS += tests/unit/test-netpol-snat
tests_unit_test_netpol_snat_SOURCES = %D%/test-netpol-snat.c
tests_unit_test_netpol_snat_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol
tests_unit_test_netpol_snat_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_snat_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-netpol-companion
UNIT_TESTS += tests/unit/test-netpol-companion
tests_unit_test_netpol_companion_SOURCES = %D%/test-netpol-companion.c
tests_unit_test_netpol_companion_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol
tests_unit_test_netpol_companion_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_companion_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)

NETPOL_RUNTIME = tests/unit/netpol-runtime.c tests/unit/netpol-runtime.h \
	tests/unit/fake-wanted.c tests/unit/fake-wanted.h

check_PROGRAMS += tests/unit/test-netpol-model
UNIT_TESTS += tests/unit/test-netpol-model
tests_unit_test_netpol_model_SOURCES = %D%/test-netpol-model.c $(NETPOL_RUNTIME)
tests_unit_test_netpol_model_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol -I$(top_srcdir)/plugins
tests_unit_test_netpol_model_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_model_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-netpol-churn
UNIT_TESTS += tests/unit/test-netpol-churn
tests_unit_test_netpol_churn_SOURCES = %D%/test-netpol-churn.c $(NETPOL_RUNTIME)
tests_unit_test_netpol_churn_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol -I$(top_srcdir)/plugins
tests_unit_test_netpol_churn_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_churn_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-netpol-moves
UNIT_TESTS += tests/unit/test-netpol-moves
tests_unit_test_netpol_moves_SOURCES = %D%/test-netpol-moves.c $(NETPOL_RUNTIME)
tests_unit_test_netpol_moves_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol -I$(top_srcdir)/plugins
tests_unit_test_netpol_moves_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_moves_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-netpol-pods
UNIT_TESTS += tests/unit/test-netpol-pods
tests_unit_test_netpol_pods_SOURCES = %D%/test-netpol-pods.c $(NETPOL_RUNTIME)
tests_unit_test_netpol_pods_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol -I$(top_srcdir)/plugins
tests_unit_test_netpol_pods_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_pods_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-netpol-mesh
UNIT_TESTS += tests/unit/test-netpol-mesh
tests_unit_test_netpol_mesh_SOURCES = %D%/test-netpol-mesh.c $(NETPOL_RUNTIME)
tests_unit_test_netpol_mesh_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol -I$(top_srcdir)/plugins
tests_unit_test_netpol_mesh_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_mesh_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)
