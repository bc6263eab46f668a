# libisthmus: what the endpoints of a DMVPN share
sdk_lib_libisthmus_la_SOURCES += %D%/inputs.c %D%/networks.c
