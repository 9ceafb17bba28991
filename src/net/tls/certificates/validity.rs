//! Chains that can be served but that clients may not accept: dates and order.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use httpdate::fmt_http_date;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

/// The time before the expiry of a certificate in which there is a warning: two weeks, when a renewal every 60 of 90 days
/// has failed for weeks already. For a shorter lifetime, such as the six days of Let's Encrypt, it is the last third.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Later than any date in a certificate (RFC 5280 section 4.1.2.5): the first second of the year 10000.
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_800);

/// The current time, for [`warnings`].
pub(crate) fn now() -> UnixTime {
    UnixTime::now()
}

/// Warnings about a chain that can be served, at the time `now`: one sentence each, with the date.
pub(crate) fn warnings(path: &Path, chain: &[CertificateDer<'_>], now: UnixTime) -> Vec<String> {
    let mut warnings = Vec::new();
    let parsed: Vec<_> = chain.iter().map(|certificate| EndEntityCert::try_from(certificate).ok()).collect();
    for (index, certificate) in parsed.iter().enumerate() {
        let state = certificate.as_ref().and_then(validity).and_then(|period| judge(period, now));
        if let Some(state) = state {
            warnings.push(format!("--tls-cert {}: certificate {} of the file {state}", path.display(), index + 1));
        }
    }
    for (index, pair) in parsed.windows(2).enumerate() {
        if let [Some(subject), Some(issuer)] = pair
            && subject.issuer() != issuer.subject()
        {
            warnings.push(format!(
                "--tls-cert {}: certificate {} of the file is not that of the issuer of certificate {}: clients may not trust \
                 the chain",
                path.display(),
                index + 2,
                index + 1,
            ));
        }
    }
    warnings
}

/// The first and the last second, since 1970, at which a certificate is valid.
///
/// The parser returns a date only in the error that a certificate is not valid at some time. So this asks for times before
/// and after all certificates.
fn validity(certificate: &EndEntityCert<'_>) -> Option<(u64, u64)> {
    let ask = |time| {
        let time = UnixTime::since_unix_epoch(time);
        certificate.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None).err()
    };
    let from = match ask(Duration::ZERO) {
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => not_before.as_secs(),
        _ => 0,
    };
    match ask(END_OF_TIME) {
        Some(webpki::Error::CertExpired { not_after, .. }) => Some((from, not_after.as_secs())),
        _ => None,
    }
}

fn judge((from, to): (u64, u64), now: UnixTime) -> Option<String> {
    let date = |seconds| fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let now = now.as_secs();
    let soon = EXPIRES_SOON.as_secs().min(to.saturating_sub(from) / 3);
    if now < from {
        Some(format!("is not valid before {}: clients refuse it; look at the clock of this machine too", date(from)))
    } else if now > to {
        Some(format!("expired on {}: clients refuse it; renew it, and restart", date(to)))
    } else if to - now < soon {
        Some(format!("expires on {}: renew it, and restart", date(to)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    #[test]
    fn a_warning_comes_two_weeks_before_the_expiry_or_in_the_last_third() {
        let at = |day: u64| UnixTime::since_unix_epoch(Duration::from_secs(day * DAY));
        let (long, short) = ((100 * DAY, 190 * DAY), (100 * DAY, 106 * DAY));
        for (period, day, part) in [
            (long, 99, Some("is not valid before Sat, 11 Apr 1970 00:00:00 GMT")),
            (long, 100, None),
            (long, 176, None),
            (long, 177, Some("expires on Fri, 10 Jul 1970 00:00:00 GMT")),
            (long, 190, Some("expires on")),
            (long, 191, Some("expired on Fri, 10 Jul 1970 00:00:00 GMT")),
            (short, 100, None),
            (short, 104, None),
            (short, 105, Some("expires on")),
        ] {
            let said = judge(period, at(day));
            match part {
                Some(part) => assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{day}: {said:?}"),
                None => assert_eq!(said, None, "{day}"),
            }
        }
    }

    #[test]
    fn the_dates_of_a_certificate_are_found() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let parsed = EndEntityCert::try_from(made.cert.der()).expect("it parses");
        // rcgen's own: 1975-01-01 to 4096-01-01.
        assert_eq!(validity(&parsed), Some((157_766_400, 67_090_118_400)));
    }
}
