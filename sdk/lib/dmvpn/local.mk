# libisthmus: what the endpoints of a DMVPN share
sdk_lib_libisthmus_la_SOURCES += %D%/inputs.c %D%/networks.c %D%/machine.c %D%/said.c %D%/vm.c %D%/vm_ready.c %D%/vm_plan.c %D%/vm_internal.h
