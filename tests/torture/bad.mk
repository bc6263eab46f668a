# Plugins that are wrong on purpose, one shared object each: of one source, by the word that names the way.
BAD_PLUGINS = magic major size larger observe plan destroy useless name version row rows table duplicate nameless \
	type flags doc default parent command option role role-version role-output role-type role-whole entry symbol \
	null crash environment plugin-flags watchless short
BAD_FILES = $(BAD_PLUGINS:%=tests/torture/bad/bad-%.so)
check_DATA = $(BAD_FILES) tests/torture/bad/first-abi.so tests/torture/bad/test-check.so
EXTRA_DIST += %D%/bad.c %D%/test-check.c %D%/first-abi
BAD_COMPILE = $(CC) $(IST_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(IST_LDFLAGS) -fPIC -shared
tests/torture/bad/bad-%.so: %D%/bad.c sdk/include/isthmus/plugin.h sdk/include/isthmus/roles/dmvpn-endpoint.h
	$(AM_V_CC)$(MKDIR_P) tests/torture/bad && $(BAD_COMPILE) $(AM_CPPFLAGS) -DBAD='"$*"' \
		$(if $(filter entry,$*),-Dist_plugin_entry=not_the_entry -Wno-missing-prototypes) $(if $(filter symbol,$*),-DBAD_SYMBOL) \
		-o $@ $(srcdir)/tests/torture/bad.c

# A plugin of the first header, which is kept as it was: it has to load for as long as its major lives. It sees no
# other header of ours and links nothing but libc.
tests/torture/bad/first-abi.so: %D%/first-abi/first-abi.c %D%/first-abi/plugin.h
	$(AM_V_CC)$(MKDIR_P) tests/torture/bad && $(BAD_COMPILE) -I$(srcdir)/tests/torture/first-abi \
		-o $@ $(srcdir)/tests/torture/first-abi/first-abi.c
# One whose check does as it is told.
tests/torture/bad/test-check.so: %D%/test-check.c sdk/include/isthmus/plugin.h
	$(AM_V_CC)$(MKDIR_P) tests/torture/bad && $(BAD_COMPILE) $(AM_CPPFLAGS) -o $@ $(srcdir)/tests/torture/test-check.c
clean-local:
	rm -rf tests/torture/bad $(INSTALLED_TREE)
