# Whole runs against the lab: INTEGRATION_TESTS += %D%/x.sh
# The lab itself, by real clients.
INTEGRATION_TESTS += %D%/lab-up.sh %D%/lab-ccp.sh %D%/lab-aws.sh %D%/lab-cfn.sh %D%/lab-faults.sh %D%/lab-kube.sh %D%/lab-kube-net.sh %D%/lab-net.sh
EXTRA_DIST += %D%/lib.sh %D%/lab-lib.sh

INTEGRATION_TESTS += %D%/bad-config.sh %D%/cli.sh %D%/shipped.sh %D%/headers.sh %D%/out-of-tree.sh %D%/plugin.sh
EXTRA_DIST += %D%/bad-config
include tests/integration/router.mk
INTEGRATION_TESTS += %D%/kube-faults.sh %D%/kube-probe.sh

# The walk-through as a whole.
INTEGRATION_TESTS += %D%/stars.sh %D%/stars-drift.sh %D%/stars-destroy.sh
TORTURE_TESTS += %D%/stars-kills.sh %D%/stars-faults.sh
INTEGRATION_TESTS += %D%/aws-plugins.sh
