//! ConfigMaps, Secrets and ServiceAccounts.

use super::metadata::{labels_and_annotations, name_and_namespace};
use super::report::{Report, scalar};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use shared_types::fields::Fields;
use shared_types::json::Value;

pub fn config_map(report: &mut Report, map: &Value) {
    name_and_namespace(report, map);
    labels_and_annotations(report, map);
    report.raw("\nData\n====\n");
    for (key, value) in map.map("data") {
        report.raw(format_args!("{key}:\n----\n{}\n\n", scalar(value)));
    }
    report.raw("\nBinaryData\n====\n");
    for (key, value) in map.map("binaryData") {
        report.line(0, format_args!("{key}: {} bytes", decoded(value).len()));
    }
    report.line(0, "");
}

/// Values stay secret, but for tokens of ServiceAccounts.
pub fn secret(report: &mut Report, secret: &Value) {
    name_and_namespace(report, secret);
    labels_and_annotations(report, secret);
    report.raw(format_args!("\nType:\t{}\n\nData\n====\n", secret.text("type")));
    for (key, value) in secret.map("data") {
        let value = decoded(value);
        if key == "token" && secret.text("type") == "kubernetes.io/service-account-token" {
            report.field(0, key, String::from_utf8_lossy(&value));
        } else {
            report.field(0, key, format_args!("{} bytes", value.len()));
        }
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()
}

pub fn service_account(report: &mut Report, account: &Value) {
    name_and_namespace(report, account);
    labels_and_annotations(report, account);
    let names: Vec<String> = account.list("imagePullSecrets").iter().map(|s| s.text("name").to_string()).collect();
    report.lines(0, "Image pull secrets", &names);
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn secrets_show_only_lengths() {
        let object = json!({"metadata": {"name": "s", "namespace": "n"}, "type": "Opaque",
            "data": {"password": "aHVudGVyMjI=", "token": "YQ=="}});
        let mut report = Report::default();
        secret(&mut report, &object);
        let expected = "\
Name:         s
Namespace:    n
Labels:       <none>
Annotations:  <none>

Type:  Opaque

Data
====
password:  8 bytes
token:     1 bytes
";
        assert_eq!(report.finish(), expected);
    }

    #[test]
    fn service_accounts_list_their_pull_secrets() {
        let object =
            json!({"metadata": {"name": "s", "namespace": "n"}, "imagePullSecrets": [{"name": "a"}, {"name": "b"}]});
        let mut report = Report::default();
        service_account(&mut report, &object);
        assert!(report.finish().ends_with("Image pull secrets:  a\n                     b\n"));
    }
}
