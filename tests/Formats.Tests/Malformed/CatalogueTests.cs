namespace Marrow.Formats.Tests.Malformed;

/// <summary>The catalogue of malformed files, spec/formats.md §9: every case gives its error, soon and in little memory.</summary>
public sealed class CatalogueTests
{
    private static readonly MalformedCase[] Cases =
    [
        .. SafetensorsCases.All, .. IndexCases.All, .. GgufCases.All, .. GgufVocabularyCases.All, .. PthContainerCases.All(), .. PickleCases.All(), .. LegacyPthCases.All, .. TokenizerCases.All,
        .. FolderCases.All, .. RwkvCppCases.All, .. AnyFileCases.All,
    ];

    public static TheoryData<int, string> Rows()
    {
        TheoryData<int, string> rows = [];
        foreach (MalformedCase row in Cases.OrderBy(c => c.Number))
            rows.Add(row.Number, row.What);
        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows), DisableDiscoveryEnumeration = true)]
    public void Case(int number, string what) => Cases.Single(c => c.Number == number && c.What == what).Check();

    /// <summary>The cases of adapters have their rows in the tests of their floor.</summary>
    [Fact]
    public void Every_case_has_its_row() => Assert.Equal(MalformedCase.All.Except(MalformedCase.OfAdapters), Cases.Select(c => c.Number).Distinct().Order());
}
