# Against real counterparts, skipped with the reason where they are not there: REAL_TESTS += %D%/x/x.sh
include tests/real/kubernetes/local.mk
include tests/real/aws/local.mk
include tests/real/dmvpn/local.mk
include tests/real/router/local.mk
