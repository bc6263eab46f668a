# The lab's pure parts.
LAB_PURE = sdk/lab/util.c sdk/lab/kube/selector.c sdk/lab/kube/yaml.c

if LAB
check_PROGRAMS += tests/unit/test-lab-policy tests/unit/test-lab-kube
UNIT_TESTS += tests/unit/test-lab-policy tests/unit/test-lab-kube
endif
tests_unit_test_lab_policy_SOURCES = %D%/test-lab-policy.c sdk/lab/net/policy.c $(LAB_PURE)
tests_unit_test_lab_policy_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lab
tests_unit_test_lab_policy_CFLAGS = $(UNIT_CFLAGS) $(YAML_CFLAGS)
tests_unit_test_lab_policy_LDADD = $(UNIT_LIBS) $(YAML_LIBS)

if LAB
check_PROGRAMS += tests/unit/test-lab-sigv4
UNIT_TESTS += tests/unit/test-lab-sigv4
endif
tests_unit_test_lab_sigv4_SOURCES = %D%/test-lab-sigv4.c sdk/lab/util.c sdk/lab/aws/sigv4.c sdk/lab/aws/query.c
tests_unit_test_lab_sigv4_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE -I$(top_srcdir)/sdk/lab
tests_unit_test_lab_sigv4_CFLAGS = $(UNIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_lab_sigv4_LDADD = $(UNIT_LIBS) $(CRYPTO_LIBS)

tests_unit_test_lab_kube_SOURCES = %D%/test-lab-kube.c sdk/lab/kube/fieldset.c sdk/lab/kube/object.c \
	sdk/lab/kube/patch.c \
	sdk/lab/kube/schema.c sdk/lab/kube/ssa.c $(LAB_PURE)
tests_unit_test_lab_kube_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lab
tests_unit_test_lab_kube_CFLAGS = $(UNIT_CFLAGS) $(YAML_CFLAGS)
tests_unit_test_lab_kube_LDADD = $(UNIT_LIBS) $(YAML_LIBS)
