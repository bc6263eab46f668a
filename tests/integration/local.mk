# Whole runs against the lab: INTEGRATION_TESTS += %D%/x.sh
# The longest first, so that none of them is left alone at the end.
INTEGRATION_TESTS += %D%/lab-net.sh %D%/stars-drift-cloud.sh %D%/stars-drift-router.sh %D%/stars-drift-kube.sh %D%/stars-ownership.sh %D%/stars-destroy.sh
include tests/integration/router.mk
INTEGRATION_TESTS += %D%/aws-permissions.sh %D%/aws-pipelines.sh %D%/aws-scale.sh %D%/aws-eks-create.sh %D%/aws-plugins.sh %D%/stars.sh %D%/stars-frr.sh %D%/stars-stretched.sh
TORTURE_TESTS += %D%/stars-kills.sh %D%/stars-faults.sh %D%/stars-frr-kills.sh

# The lab itself, by real clients.
INTEGRATION_TESTS += %D%/lab-up.sh %D%/lab-ccp.sh %D%/lab-aws.sh %D%/lab-cfn.sh %D%/lab-faults.sh %D%/lab-kube.sh %D%/lab-kube-net.sh
EXTRA_DIST += %D%/lib.sh %D%/aws-served.py %D%/drift-lib.sh %D%/plugin-lib.sh %D%/lab-lib.sh %D%/pipeline-lib.sh

INTEGRATION_TESTS += %D%/bad-config.sh %D%/check.sh %D%/cli.sh %D%/dmvpn-role.sh %D%/shipped.sh %D%/headers.sh %D%/out-of-tree.sh %D%/plugin.sh %D%/policy.sh
EXTRA_DIST += %D%/bad-config
INTEGRATION_TESTS += %D%/kube-faults.sh %D%/kube-probe.sh
INTEGRATION_TESTS += %D%/watch.sh %D%/watch-kube.sh %D%/netpol-kube.sh
EXTRA_DIST += %D%/exposition.awk
check_PROGRAMS += tests/integration/notify-listen
tests_integration_notify_listen_SOURCES = %D%/notify-listen.c

# The tree as it is installed, for out-of-tree.sh. Made before any test runs: to install a plugin libtool links it anew,
# and for so long it is gone from the build folder, where every other test looks for it.
INSTALLED_TREE = tests/integration/installed
check_DATA += $(if $(filter %/out-of-tree.sh,$(TESTS)),$(INSTALLED_TREE).stamp)
$(INSTALLED_TREE).stamp: $(lib_LTLIBRARIES) $(plugin_LTLIBRARIES) $(bin_PROGRAMS) $(worker_PROGRAMS) \
		$(isthmusinclude_HEADERS) $(isthmusroles_HEADERS) sdk/isthmus.pc
	$(AM_V_GEN)rm -rf $(INSTALLED_TREE) && $(MKDIR_P) tests/integration && \
		$(MAKE) $(AM_MAKEFLAGS) install DESTDIR='$(abs_builddir)/$(INSTALLED_TREE)' >$@.out 2>&1 || \
		{ tail -20 $@.out >&2; exit 1; }; mv $@.out $@
CLEANFILES += $(INSTALLED_TREE).stamp $(INSTALLED_TREE).stamp.out
