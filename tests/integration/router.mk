# The lab's routers by the ssh command, and csr-dmvpn alone.
INTEGRATION_TESTS += %D%/lab-router.sh %D%/csr-dmvpn.sh
EXTRA_DIST += %D%/router-lib.sh
