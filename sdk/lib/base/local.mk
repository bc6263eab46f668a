# What both the core and libisthmus stand on.
sdk_lib_libistbase_la_SOURCES += %D%/alloc.c %D%/error.c %D%/json.c
sdk_lib_libistbase_la_SOURCES += %D%/net4.c %D%/net.c %D%/net_picture.c %D%/types.c %D%/types.h %D%/schema.c \
	%D%/yaml.c %D%/yaml_scalar.c %D%/yaml_text.c
