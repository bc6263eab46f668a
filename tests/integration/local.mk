# Whole runs against the lab: INTEGRATION_TESTS += %D%/x.sh
