# libisthmus: launching of a router VM
sdk_lib_libisthmus_la_SOURCES += %D%/stack.c %D%/stack_internal.h %D%/changeset.c %D%/changes.c %D%/template.c %D%/router_vm.c %D%/addresses.c %D%/drift.c %D%/rules.c %D%/internal.h
