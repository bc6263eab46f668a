// A plugin built against the first header alone. It is never changed: that it loads and works is the promise.
#include "plugin.h"

static const ist_field inputs[] = {
    {"text", "string", "hello", 0, "0.1.0", "What is said."},
    {"nets", "list(cidr)", "[10.0.0.0/8]", 0, "0.1.0", "Networks."},
};
static const ist_field outputs[] = {
    {"text", "string", "", 0, "0.1.0", "What was said."},
    {"count", "int", "0", 0, "0.1.0", "How many networks there were."},
};

static int32_t observe(const ist_host *h, ist_call *call)
{
    ist_value *seen = h->new_map(call);
    const ist_value *in = h->inputs(call);
    size_t len = 0;
    const char *text = h->get_bytes(h->get(in, "text"), &len);
    if (!text) {
        h->fail(call, IST_ERR_INPUT, "text", "expected some", "say something");
        return IST_ERR_INPUT;
    }
    h->put(seen, "done", h->new_bool(call, h->count(h->recorded(call)) > 0));
    h->set_observed(call, seen);
    h->set_output(call, "text", h->new_bytes(call, text, len));
    h->set_output(call, "count", h->new_int(call, (int64_t)h->count(h->get(in, "nets"))));
    return IST_OK;
}

static int32_t plan(const ist_host *h, ist_call *call)
{
    if (h->get_int(h->get(h->observed(call), "done")))
        return IST_OK;
    h->change(call, IST_CREATE, "word", 0);
    h->change_field(call, "word", "text", 0, h->get(h->inputs(call), "text"), 0);
    return IST_OK;
}

static int32_t apply(const ist_host *h, ist_call *call)
{
    char token[65];
    int32_t rc = h->intent(call, "word", 0, token);
    if (rc == IST_OK && !h->get_int(h->get(h->observed(call), "done")))
        rc = h->outcome(call, "word", h->new_map(call));
    h->log(call, IST_LOG_INFO, "said");
    h->progress(call, "saying", 1000);
    if (rc != IST_OK)
        return rc;
    h->set_output(call, "text", h->get(h->inputs(call), "text"));
    return IST_OK;
}

static int32_t destroy(const ist_host *h, ist_call *call)
{
    return h->count(h->recorded(call)) ? h->outcome(call, "word", 0) : IST_OK;
}

static int32_t verify(const ist_host *h, ist_call *call)
{
    h->check(call, "clock",
             h->clock_ms(call) > 0 && h->now_ms(call) < h->deadline_ms(call) ? IST_PASS : IST_FAIL,
             "the host has a clock");
    h->check(call, "table", IST_HAS(h, print) ? IST_PASS : IST_FAIL,
             "the host's table has what the first had");
    return h->cancelled(call) ? IST_ERR_CANCELLED : IST_OK;
}

static const ist_plugin plugin = {
    .magic = IST_MAGIC,
    .major = IST_ABI_MAJOR,
    .minor = IST_ABI_MINOR,
    .size = sizeof(ist_plugin),
    .name = "first-abi",
    .version = "1.0.0",
    .build = "first",
    .doc = "Built against the first header.",
    .inputs = inputs,
    .input_count = 2,
    .field_size = sizeof(ist_field),
    .outputs = outputs,
    .output_count = 2,
    .observe = observe,
    .plan = plan,
    .apply = apply,
    .destroy = destroy,
    .verify = verify,
};

const ist_plugin *ist_plugin_entry(const ist_host *host)
{
    (void)host;
    return &plugin;
}
