# libisthmus: launching of a router VM
sdk_lib_libisthmus_la_SOURCES += %D%/stack.c %D%/template.c %D%/router_vm.c %D%/drift.c %D%/internal.h
