# The lab's pure parts.
LAB_PURE = sdk/lab/util.c sdk/lab/kube/selector.c sdk/lab/kube/yaml.c

if LAB
check_PROGRAMS += tests/unit/test-lab-policy
UNIT_TESTS += tests/unit/test-lab-policy
endif
tests_unit_test_lab_policy_SOURCES = %D%/test-lab-policy.c sdk/lab/net/policy.c $(LAB_PURE)
tests_unit_test_lab_policy_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lab
tests_unit_test_lab_policy_CFLAGS = $(UNIT_CFLAGS) $(YAML_CFLAGS)
tests_unit_test_lab_policy_LDADD = $(UNIT_LIBS) $(YAML_LIBS)
