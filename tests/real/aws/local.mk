# A second AWS: ISTHMUS_AWS_FAKE is its folder.
EXTRA_DIST += %D%/fake-lib.sh
REAL_TESTS += %D%/vpc.sh %D%/eks.sh %D%/router.sh
