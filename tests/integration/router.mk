# The lab's routers by the ssh command, and csr-dmvpn alone.
INTEGRATION_TESTS += %D%/csr-adverse.sh %D%/csr-dmvpn.sh %D%/csr-drift.sh %D%/csr-existing.sh %D%/csr-stack.sh %D%/frr-dmvpn.sh %D%/lab-router.sh
EXTRA_DIST += %D%/router-lib.sh %D%/alone-lib.sh
