# The plugins that span clusters, between real API servers.
REAL_TESTS += %D%/faults.sh %D%/mirror.sh %D%/netpol.sh
EXTRA_DIST += %D%/daemon.sh
