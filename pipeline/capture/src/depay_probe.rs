//! Mends packets where they enter the depayloader, so that whole access units leave it.

use std::sync::Arc;

use gatehouse_core::time::Clock;
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::codec::Codec;
use crate::decode_plan::{RtpPacket, mend};
use crate::shared_plan::SharedPlan;

/// Mends packets before `depayloader`, so that whole access units leave it. Packets come in order
/// there.
///
/// # Errors
/// If the element has no input.
pub(crate) fn install(
    depayloader: &gst::Element,
    codec: Codec,
    plan: &Arc<SharedPlan>,
    clock: Arc<dyn Clock>,
) -> Result<(), String> {
    let (input, plan) = (depayloader.static_pad("sink").ok_or("the depayloader has no input")?, Arc::clone(plan));
    let mend_packet = move |buffer: &mut gst::Buffer| {
        let Some(packet) = parse(codec, buffer) else { return };
        let role = plan.role_of(&packet, clock.monotonic());
        if (role.ends_unit != packet.marker || role.is_repetition)
            && let Ok(mut bytes) = buffer.make_mut().map_writable()
        {
            mend(codec, &mut bytes, role);
        }
    };
    input.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => mend_packet(buffer),
            Some(gst::PadProbeData::BufferList(list)) => {
                let mut mended = gst::BufferList::new_sized(list.len());
                let into = mended.make_mut();
                list.iter_owned().for_each(|mut buffer| {
                    mend_packet(&mut buffer);
                    into.add(buffer);
                });
                *list = mended;
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// The packet in a buffer, if it is one of RTP.
pub(crate) fn parse(codec: Codec, buffer: &gst::BufferRef) -> Option<RtpPacket> {
    RtpPacket::parse(codec, &buffer.map_readable().ok()?)
}
