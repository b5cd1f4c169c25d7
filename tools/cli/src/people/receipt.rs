//! A consent's receipt for the person: what they consented to, until when, how to withdraw.

use std::fmt::Write as _;

use gatehouse_store::{Consent, HowGiven};

use crate::moment;

/// The receipt's text in English and Chinese. `site` is the site's area and name. `number` is the
/// person's, or the card's where the site does not know the owner's name.
pub(crate) fn text(site: &str, number: &str, name: Option<&str>, consent: &Consent) -> String {
    let consent = consent.draft();
    let (how, how_zh) = match consent.how_given {
        HowGiven::Paper => ("on a signed sheet", "签署纸质文件"),
        HowGiven::Screen => ("on a screen at the desk", "在服务台屏幕上确认"),
        HowGiven::Online => ("over the internet", "通过互联网"),
    };
    let mut text = String::new();
    let mut line = |en: &str, zh: &str, value: &str| {
        let _ = writeln!(text, "{en} / {zh}:\n    {value}");
    };
    line("Receipt of consent to face recognition", "人脸识别同意回执", site);
    name.into_iter().for_each(|name| line("Name", "姓名", name));
    line("Number", "编号", number);
    line("Purpose", "用途", &consent.purpose);
    line("Notice", "告知书版本", &consent.notice_version);
    line("Given", "同意时间", &moment::text(consent.given_at));
    line("How", "同意方式", &format!("{how} / {how_zh}"));
    line("Valid until", "有效期至", &moment::end_text(consent.valid_until));
    if let Some(guardian) = &consent.guardian {
        line("Guardian", "监护人", guardian);
    }
    text.push_str(match name {
        Some(_) => {
            "\nNo photograph is kept: only a protected template, at this site. 不保存照片，仅在本站点保存受保护的人脸模板。\n"
        }
        None => "\nNo data of your face is kept: it is on your card alone. 不保存您的人脸信息，仅存于您的卡上。\n",
    });
    text.push_str(
        "You may take your consent back at any time at the\n\
         desk, by the number above; your template is then removed at once. You may always come in with a QR pass instead.\n\
         您可随时凭上述编号在服务台撤回同意，模板将立即删除。您也可以随时改用通行码。\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::WallTime;
    use gatehouse_store::ConsentDraft;

    use super::*;

    #[test]
    fn a_receipt_contains_the_consent_and_how_to_withdraw() {
        let at = WallTime::from_unix_nanos;
        let consent = Consent::new(ConsentDraft {
            purpose: "entry at the gate".to_owned(),
            notice_version: "2026-01".to_owned(),
            how_given: HowGiven::Paper,
            given_at: at(1_790_000_000_000_000_000),
            valid_until: at(1_800_000_000_000_000_000),
            under_14: true,
            guardian: Some("Zora Quill".to_owned()),
        })
        .expect("a valid consent");
        let of_card = text("riverside/north-gate", "01K00000000000000000000001", None, &consent);
        assert!(of_card.contains("on your card alone") && !of_card.contains("Name / "), "{of_card}");
        let text = text("riverside/north-gate", "01K00000000000000000000000", Some("Quentin Quill"), &consent);
        for needed in [
            "riverside/north-gate",
            "Quentin Quill",
            "01K00000000000000000000000",
            "entry at the gate",
            "2026-01",
            "on a signed sheet / 签署纸质文件",
            "Zora Quill",
            "take your consent back",
            "撤回同意",
        ] {
            assert!(text.contains(needed), "{needed} is missing:\n{text}");
        }
    }
}
