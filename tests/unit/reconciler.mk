# The reconciler, with a model of the tests' own; plugin-tool of tests/real runs it against real API servers.
check_LTLIBRARIES += tests/unit/configmirror.la
tests_unit_configmirror_la_SOURCES = %D%/configmirror.c
tests_unit_configmirror_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_configmirror_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
tests_unit_configmirror_la_LDFLAGS = $(module_LDFLAGS) -rpath /nowhere

check_PROGRAMS += tests/unit/test-reconciler
WAITING_TESTS += tests/unit/test-reconciler
tests_unit_test_reconciler_SOURCES = %D%/test-reconciler.c %D%/reconciler-world.c \
	%D%/reconciler-world.h %D%/configmirror.c %D%/kube-store.c %D%/kube-store.h %D%/eks-token.c %D%/eks-token.h \
	%D%/httpd.c %D%/httpd.h
tests_unit_test_reconciler_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_reconciler_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_reconciler_LDADD = tests/unit/libfakehost.la sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) \
	$(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-reconciler-watch
WAITING_TESTS += tests/unit/test-reconciler-watch
tests_unit_test_reconciler_watch_SOURCES = %D%/test-reconciler-watch.c %D%/reconciler-world.c \
	%D%/reconciler-world.h %D%/configmirror.c %D%/kube-store.c %D%/kube-store.h %D%/eks-token.c %D%/eks-token.h \
	%D%/httpd.c %D%/httpd.h
tests_unit_test_reconciler_watch_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_reconciler_watch_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_reconciler_watch_LDADD = tests/unit/libfakehost.la sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) \
	$(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-reconciler-lease
WAITING_TESTS += tests/unit/test-reconciler-lease
tests_unit_test_reconciler_lease_SOURCES = %D%/test-reconciler-lease.c %D%/reconciler-world.c \
	%D%/reconciler-world.h %D%/configmirror.c %D%/kube-store.c %D%/kube-store.h %D%/eks-token.c %D%/eks-token.h \
	%D%/httpd.c %D%/httpd.h %D%/own-time.c %D%/own-time.h
tests_unit_test_reconciler_lease_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_reconciler_lease_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_reconciler_lease_LDADD = tests/unit/libfakehost.la sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) \
	$(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-reconciler-aside
WAITING_TESTS += tests/unit/test-reconciler-aside
tests_unit_test_reconciler_aside_SOURCES = %D%/test-reconciler-aside.c %D%/reconciler-world.c \
	%D%/reconciler-world.h %D%/configmirror.c %D%/kube-store.c %D%/kube-store.h %D%/eks-token.c %D%/eks-token.h \
	%D%/httpd.c %D%/httpd.h
tests_unit_test_reconciler_aside_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_reconciler_aside_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_reconciler_aside_LDADD = tests/unit/libfakehost.la sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) \
	$(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-reconciler-configure
WAITING_TESTS += tests/unit/test-reconciler-configure
tests_unit_test_reconciler_configure_SOURCES = %D%/test-reconciler-configure.c %D%/reconciler-world.c \
	%D%/reconciler-world.h %D%/configmirror.c %D%/kube-store.c %D%/kube-store.h %D%/eks-token.c %D%/eks-token.h \
	%D%/httpd.c %D%/httpd.h %D%/own-time.c %D%/own-time.h
tests_unit_test_reconciler_configure_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_reconciler_configure_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_reconciler_configure_LDADD = tests/unit/libfakehost.la sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) \
	$(CRYPTO_LIBS)
