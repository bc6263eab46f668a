# The Kubernetes client, from the inside where its parts are nobody else's business.
check_PROGRAMS += tests/unit/test-kubeconfig
UNIT_TESTS += tests/unit/test-kubeconfig
tests_unit_test_kubeconfig_SOURCES = %D%/test-kubeconfig.c sdk/lib/kube/kubeconfig.c sdk/lib/kube/exec.c \
	sdk/lib/kube/file.c
tests_unit_test_kubeconfig_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lib/kube
tests_unit_test_kubeconfig_CFLAGS = $(UNIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_kubeconfig_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-kube
UNIT_TESTS += tests/unit/test-kube
tests_unit_test_kube_SOURCES = %D%/test-kube.c %D%/kube-fake.c %D%/kube-fake.h %D%/httpd.c %D%/httpd.h
tests_unit_test_kube_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_kube_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-kube-watch
UNIT_TESTS += tests/unit/test-kube-watch
tests_unit_test_kube_watch_SOURCES = %D%/test-kube-watch.c %D%/kube-fake.c %D%/kube-fake.h %D%/httpd.c %D%/httpd.h
tests_unit_test_kube_watch_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_kube_watch_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)
