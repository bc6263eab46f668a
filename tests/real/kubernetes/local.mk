# The plugins that span clusters, between real API servers.
REAL_TESTS += %D%/faults.sh %D%/mirror.sh %D%/mirror-rbac.sh %D%/mirror-names.sh %D%/netpol.sh %D%/rbac.sh
EXTRA_DIST += %D%/daemon.sh
