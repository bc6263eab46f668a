// Observing and verifying.
#include "operations.h"
#include "step.h"

int32_t ccp_observe(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = step_begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = step_find_cluster(&s, &err);
    if (rc == IST_OK) // one that is not there is plan's matter: a destroy must get past it
        rc = step_find_on_prem(&s, 1, &err);
    if (rc == IST_OK) {
        json_t *shown = s.cluster != NULL ? json_copy(s.cluster) : json_null();
        json_object_del(shown, "kubeconfig");
        ist_set_observed(&s.env, json_pack("{s:o}", CLUSTER, shown));
        if (s.cluster != NULL)
            step_outputs(&s, step_is_ready(&s));
    }
    return step_end(&s, rc, &err);
}

int32_t ccp_verify(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = step_begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = step_find_cluster(&s, &err);
    if (rc != IST_OK)
        return step_end(&s, rc, &err);
    if (s.cluster == NULL) {
        ist_check(&s.env, "cluster is READY", IST_FAIL, "the platform has no EKS cluster called %s",
                  step_name(&s));
        return step_end(&s, IST_OK, &err);
    }
    ist_check(&s.env, "cluster is READY", step_is_ready(&s) ? IST_PASS : IST_FAIL, "%s is %s", step_name(&s),
              step_status(&s));
    ist_check(&s.env, "kubeconfig is handed out",
              ist_json_str(s.cluster, "kubeconfig") != NULL ? IST_PASS : IST_FAIL, "cluster %s",
              step_name(&s));
    json_t *differences = NULL;
    rc = step_differences(&s, &differences, &err);
    if (rc != IST_OK)
        return step_end(&s, rc, &err);
    char *text = desired_differences_text(differences);
    ist_check(&s.env, "cluster is as asked for", json_array_size(differences) == 0 ? IST_PASS : IST_FAIL,
              "%s", *text != '\0' ? text : "all settings agree");
    ist_free(text);
    json_decref(differences);
    return step_end(&s, IST_OK, &err);
}
