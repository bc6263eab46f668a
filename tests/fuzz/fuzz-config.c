// Configuration of any bytes: a pipeline, or diagnostics; shown, too.
#include "config/pipeline.h"
#include "fake_catalog.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(const char *path, FILE *out)
{
    struct diags *diags = diags_new();
    struct config_source source = {.dir = path};
    struct config *config = NULL;
    struct pipeline *pipeline = NULL;
    const char *const *names;
    if (config_load(&source, diags, &config) == 0) {
        size_t count = config_pipelines(config, &names);
        for (size_t i = 0; i < count && i < 4; i++) {
            if (pipeline_load(config, fake_catalog(), names[i], diags, &pipeline))
                continue;
            pipeline_free(pipeline);
            pipeline = NULL;
        }
        config_show(config, fake_catalog(), true, out);
    }
    diags_print(diags, out, true);
    config_free(config);
    diags_free(diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("conf.yaml", MFD_CLOEXEC);
    FILE *out = fopen("/dev/null", "we");
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fd >= 0 && out && write(fd, data, size) == (ssize_t)size)
        load(path, out);
    if (out)
        fclose(out);
    if (fd >= 0)
        close(fd);
    return 0;
}
