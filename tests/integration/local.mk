# Whole runs against the lab: INTEGRATION_TESTS += %D%/x.sh
# The longest first, so that none of them is left alone at the end.
INTEGRATION_TESTS += %D%/stars-drift-cloud.sh %D%/stars-drift-kube.sh %D%/stars-destroy.sh
include tests/integration/router.mk
INTEGRATION_TESTS += %D%/aws-plugins.sh %D%/stars.sh %D%/stars-stretched.sh
TORTURE_TESTS += %D%/stars-kills.sh %D%/stars-faults.sh

# The lab itself, by real clients.
INTEGRATION_TESTS += %D%/lab-up.sh %D%/lab-ccp.sh %D%/lab-aws.sh %D%/lab-cfn.sh %D%/lab-faults.sh %D%/lab-kube.sh %D%/lab-kube-net.sh %D%/lab-net.sh
EXTRA_DIST += %D%/lib.sh %D%/drift-lib.sh %D%/lab-lib.sh

INTEGRATION_TESTS += %D%/bad-config.sh %D%/check.sh %D%/cli.sh %D%/shipped.sh %D%/headers.sh %D%/out-of-tree.sh %D%/plugin.sh %D%/policy.sh
EXTRA_DIST += %D%/bad-config
INTEGRATION_TESTS += %D%/kube-faults.sh %D%/kube-probe.sh
INTEGRATION_TESTS += %D%/watch.sh %D%/watch-kube.sh
EXTRA_DIST += %D%/exposition.awk
check_PROGRAMS += tests/integration/notify-listen
tests_integration_notify_listen_SOURCES = %D%/notify-listen.c
