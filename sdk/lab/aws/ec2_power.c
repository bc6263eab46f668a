// Instances started, stopped and ended. A stopped router forwards nothing, answers nobody and forgets what it did not
// save; its interfaces and its Elastic IP stay with it.
#include "ec2.h"
#include "../router/router.h"

#include <stdlib.h>
#include <string.h>

enum { STOP_MS = 200, TERMINATE_MS = 200 };

// Is every instance that a call names there? False after aws_fail().
static bool all_known(struct aws_call *c)
{
    json_t *id;
    size_t i;
    if (!aws_list(c, "InstanceId")) {
        aws_fail(c, 400, "MissingParameter", "The request must contain the parameter InstanceId");
        return false;
    }
    json_array_foreach(aws_list(c, "InstanceId"), i, id)
    {
        if (!aws_find(c, "instance", json_string_value(id)))
            return false;
    }
    return true;
}

static void tell_change(json_t *set, const json_t *instance, int before)
{
    json_array_append_new(set, json_pack("{sO so so}", "instanceId", json_object_get(instance, "instanceId"),
                                         "currentState", ec2_instance_state(ec2_instance_code(instance)),
                                         "previousState", ec2_instance_state(before)));
}

static json_t *wrong_state(struct aws_call *c, const json_t *instance, const char *what)
{
    return aws_fail(c, 400, "IncorrectInstanceState",
                    "The instance '%s' is not in a state from which it can be %s.",
                    aws_text(instance, "instanceId"), what);
}

// ---- stopping ----

static void stopped(struct lab *lab, void *arg)
{
    struct aws_call c = aws_self(lab);
    json_t *instance = aws_get(&c, "instance", arg);
    if (instance && ec2_instance_code(instance) == EC2_STOPPING)
        ec2_instance_set(instance, EC2_STOPPED);
    free(arg);
}

static json_t *stop_instances(struct aws_call *c)
{
    json_t *set, *id;
    size_t i;
    if (!all_known(c))
        return NULL;
    json_array_foreach(aws_list(c, "InstanceId"), i, id)
    {
        json_t *instance = aws_get(c, "instance", json_string_value(id));
        if (ec2_instance_gone(instance) || ec2_instance_code(instance) == EC2_PENDING)
            return wrong_state(c, instance, "stopped");
    }
    set = json_array();
    json_array_foreach(aws_list(c, "InstanceId"), i, id)
    {
        json_t *instance = aws_get(c, "instance", json_string_value(id));
        int before = ec2_instance_code(instance);
        if (before == EC2_RUNNING) {
            ec2_instance_set(instance, EC2_STOPPING);
            if (ec2_is_router(c, instance))
                lab_router_off(c->lab, json_string_value(id));
            lab_after(c->lab, STOP_MS, stopped, lab_strdup(json_string_value(id)));
        }
        tell_change(set, instance, before);
    }
    return json_pack("{so}", "instancesSet", set);
}

// ---- starting ----

static json_t *start_instances(struct aws_call *c)
{
    json_t *set, *id;
    size_t i;
    if (!all_known(c))
        return NULL;
    json_array_foreach(aws_list(c, "InstanceId"), i, id)
    {
        json_t *instance = aws_get(c, "instance", json_string_value(id));
        if (ec2_instance_gone(instance) || ec2_instance_code(instance) == EC2_STOPPING)
            return wrong_state(c, instance, "started");
    }
    set = json_array();
    json_array_foreach(aws_list(c, "InstanceId"), i, id)
    {
        json_t *instance = aws_get(c, "instance", json_string_value(id));
        int before = ec2_instance_code(instance);
        if (before == EC2_STOPPED)
            ec2_instance_boot(c, instance);
        tell_change(set, instance, before);
    }
    return json_pack("{so}", "instancesSet", set);
}

void ec2_instance_restart(struct aws_call *c, json_t *instance)
{
    if (ec2_instance_code(instance) != EC2_RUNNING)
        return;
    if (ec2_is_router(c, instance))
        lab_router_off(c->lab, aws_text(instance, "instanceId"));
    ec2_instance_boot(c, instance);
}

static json_t *reboot_instances(struct aws_call *c)
{
    json_t *id;
    size_t i;
    if (!all_known(c))
        return NULL;
    json_array_foreach(aws_list(c, "InstanceId"), i, id)
        ec2_instance_restart(c, aws_get(c, "instance", json_string_value(id)));
    return aws_true();
}

// ---- ending ----

static void terminated(struct lab *lab, void *arg)
{
    struct aws_call c = aws_self(lab);
    json_t *instance = aws_get(&c, "instance", arg);
    for (int i = 0; instance && i < 15; i++) {
        json_t *eni = ec2_device(&c, arg, i);
        if (!eni)
            continue;
        if (json_is_true(json_object_get(json_object_get(eni, "attachment"), "deleteOnTermination")))
            ec2_drop_eni(&c, aws_text(eni, "networkInterfaceId"));
        else
            ec2_detach_eni(eni);
    }
    if (instance)
        ec2_instance_set(instance, EC2_TERMINATED);
    free(arg);
}

static json_t *terminate_instances(struct aws_call *c)
{
    json_t *set, *id;
    size_t i;
    if (!all_known(c))
        return NULL;
    set = json_array();
    json_array_foreach(aws_list(c, "InstanceId"), i, id)
    {
        json_t *instance = aws_get(c, "instance", json_string_value(id));
        int before = ec2_instance_code(instance);
        if (!ec2_instance_gone(instance)) {
            ec2_instance_set(instance, EC2_SHUTTING_DOWN);
            if (ec2_is_router(c, instance) && before != EC2_PENDING)
                lab_router_shutdown(c->lab, json_string_value(id));
            lab_after(c->lab, TERMINATE_MS, terminated, lab_strdup(json_string_value(id)));
        }
        tell_change(set, instance, before);
    }
    return json_pack("{so}", "instancesSet", set);
}

const struct aws_action aws_power_actions[] = {{"StartInstances", start_instances, true},
                                               {"StopInstances", stop_instances, true},
                                               {"RebootInstances", reboot_instances, true},
                                               {"TerminateInstances", terminate_instances, true},
                                               {NULL, NULL, false}};
