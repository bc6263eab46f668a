core_isthmus_SOURCES += %D%/cli.c %D%/cli.h %D%/table.c %D%/help.c %D%/lab.c %D%/load.c %D%/plugin_word.c \
	%D%/validate.c %D%/run.c %D%/state.c %D%/state.h %D%/status.c %D%/status.h %D%/status_watch.c
core_isthmus_SOURCES += %D%/plugin_use.c %D%/plugin_use.h %D%/plugin_run.c %D%/plugin_show.c %D%/permissions.c %D%/permissions.h \
	%D%/plugin_check.c %D%/plugin_new.c

# The skeleton of a plugin, as strings: `isthmus plugin new` works without any file beside it.
TEMPLATE_FILES = sdk/template/plugin.c sdk/template/Makefile sdk/template/README.md
EXTRA_DIST += $(TEMPLATE_FILES) %D%/template.awk
BUILT_SOURCES += %D%/template.inc
CLEANFILES += %D%/template.inc
%D%/template.inc: $(TEMPLATE_FILES) %D%/template.awk
	$(AM_V_GEN)$(MKDIR_P) %D% && cd $(srcdir) && $(AWK) -f %D%/template.awk $(TEMPLATE_FILES) \
		>$(abs_top_builddir)/%D%/template.tmp && \
		mv $(abs_top_builddir)/%D%/template.tmp $(abs_top_builddir)/%D%/template.inc
core_isthmus_CPPFLAGS += -Icore/cli
core/cli/isthmus-plugin_new.$(OBJEXT): core/cli/template.inc

# The manual page and the completion say what the table says: the program writes them.
man1_MANS = core/isthmus.1
completiondir = $(datadir)/bash-completion/completions
completion_DATA = core/completion/isthmus
CLEANFILES += core/isthmus.1 core/completion/isthmus
core/isthmus.1: core/isthmus$(EXEEXT)
	$(AM_V_GEN)core/isthmus$(EXEEXT) help --man >$@-t && mv $@-t $@
core/completion/isthmus: core/isthmus$(EXEEXT)
	@$(MKDIR_P) core/completion
	$(AM_V_GEN)core/isthmus$(EXEEXT) help --completion bash >$@-t && mv $@-t $@

# A plugin's page is what its tables say: isthmus-NAME(7).
plugin_names = $(patsubst %.la,%,$(notdir $(plugin_LTLIBRARIES)))
PLUGIN_PAGES = $(patsubst %,core/isthmus-%.7,$(plugin_names))
pluginpagedir = $(mandir)/man7
pluginpage_DATA = $(PLUGIN_PAGES)
CLEANFILES += $(PLUGIN_PAGES)
$(PLUGIN_PAGES): core/isthmus-%.7: core/isthmus$(EXEEXT) core/isthmus-worker$(EXEEXT) $(plugin_LTLIBRARIES)
	$(AM_V_GEN)HOME= XDG_CACHE_HOME= core/isthmus$(EXEEXT) plugin show $* --output man >$@-t && mv $@-t $@
