# The engine over test files: every way a run can be cut short. KILLS=1000 make check for the long run.
INTEGRATION_TESTS += %D%/kills.sh
EXTRA_DIST += %D%/files.sh
