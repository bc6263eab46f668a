# Against real counterparts, skipped with the reason where they are not there: REAL_TESTS += %D%/x/x.sh
# The longest first: it waits for most of its time, and others run beside it.
include tests/real/dmvpn/local.mk
include tests/real/kubernetes/local.mk
include tests/real/aws/local.mk
include tests/real/router/local.mk
