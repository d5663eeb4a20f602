namespace Marrow.Engine.Devices;

/// <summary>A device that was found, or the reason why a kind of device was not.</summary>
/// <param name="Name">What <c>--device</c> calls it: "cpu", "opencl:0", "cuda:1"; the kind alone where none was found.</param>
/// <param name="Description">What a person calls it.</param>
/// <param name="Capabilities">What it can do; null where it cannot be used.</param>
/// <param name="WhyNot">Why it is not used, with the remedy; null where it can be.</param>
/// <param name="Open">Opens it; null where it cannot be used.</param>
public sealed record DeviceListing(string Name, string Description, DeviceCapabilities? Capabilities, string? WhyNot, Func<DeviceOptions, Device>? Open);
