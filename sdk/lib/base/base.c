// placeholder
typedef int ist_placeholder;
