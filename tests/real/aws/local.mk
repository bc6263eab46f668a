# A second AWS: ISTHMUS_AWS_FAKE is its folder.
EXTRA_DIST += %D%/fake-lib.sh %D%/moto-more.py
REAL_TESTS += %D%/vpc.sh %D%/eks.sh %D%/router.sh %D%/pipelines.sh
