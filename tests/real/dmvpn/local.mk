REAL_TESTS += %D%/dmvpn.sh
EXTRA_DIST += %D%/build-image.sh %D%/dmvpn.yaml %D%/host-net.sh %D%/lib.sh
